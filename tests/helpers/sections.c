// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * sections FILE: three threads on one CPU that count up one number, each in a
 * restartable sequence, rseq(2), which takes its time between the load and the
 * store.  A thread that was away meanwhile must begin anew, or counts get lost.
 * FILE (a shared mapping) has as u64: [0] counted, [1] that it should be, [2]
 * 1: stop.  "ready PID" comes first.
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <unistd.h>

enum { THREADS = 3, SPINS = 2000 };

static volatile uint64_t *numbers;

static struct rseq *own_rseq(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() +
			       __rseq_offset);
}

/*
 * struct rseq_cs: version, flags, start, length, abort.  What stands before
 * the abort handler is RSEQ_SIG, which the kernel wants there.
 */
#ifdef __aarch64__
static void count_one(volatile uint64_t *number)
{
	struct rseq *rseq = own_rseq();

	asm volatile(".pushsection __rseq_cs, \"aw\"\n\t"
		     ".balign 32\n\t"
		     "3:\n\t"
		     ".long 0, 0\n\t"
		     ".quad 1f, 2f - 1f, 4f\n\t"
		     ".popsection\n\t"
		     "5:\n\t"
		     "adrp x16, 3b\n\t"
		     "add x16, x16, :lo12:3b\n\t"
		     "str x16, %[cs]\n\t"
		     "1:\n\t"
		     "ldr x16, %[number]\n\t"
		     "mov w17, %[spins]\n\t"
		     "6: subs w17, w17, 1\n\t"
		     "b.ne 6b\n\t"
		     "add x16, x16, 1\n\t"
		     "str x16, %[number]\n\t"
		     "2:\n\t"
		     "b 7f\n\t"
		     ".inst 0xd428bc00\n\t"
		     "4:\n\t"
		     "b 5b\n\t"
		     "7:\n\t"
		     : [number] "+m"(*number), [cs] "=m"(rseq->rseq_cs)
		     : [spins] "i"(SPINS)
		     : "x16", "x17", "memory", "cc");
}
#else
static void count_one(volatile uint64_t *number)
{
	struct rseq *rseq = own_rseq();

	asm volatile(".pushsection __rseq_cs, \"aw\"\n\t"
		     ".balign 32\n\t"
		     "3:\n\t"
		     ".long 0, 0\n\t"
		     ".quad 1f, 2f - 1f, 4f\n\t"
		     ".popsection\n\t"
		     "5:\n\t"
		     "leaq 3b(%%rip), %%rax\n\t"
		     "movq %%rax, %[cs]\n\t"
		     "1:\n\t"
		     "movq %[number], %%rax\n\t"
		     "movl %[spins], %%ecx\n\t"
		     "6: decl %%ecx\n\t"
		     "jnz 6b\n\t"
		     "incq %%rax\n\t"
		     "movq %%rax, %[number]\n\t"
		     "2:\n\t"
		     "jmp 7f\n\t"
		     ".byte 0x0f, 0xb9, 0x3d\n\t"
		     ".long 0x53053053\n\t"
		     "4:\n\t"
		     "jmp 5b\n\t"
		     "7:\n\t"
		     : [number] "+m"(*number), [cs] "=m"(rseq->rseq_cs)
		     : [spins] "i"(SPINS)
		     : "rax", "rcx", "memory", "cc");
}
#endif

static void *run(void *unused)
{
	while (!numbers[2]) {
		count_one(&numbers[0]);
		__atomic_fetch_add(&numbers[1], 1, __ATOMIC_SEQ_CST);
	}
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	cpu_set_t one;
	int fd;

	if (argc != 2 || !__rseq_size)
		errx(100, argc == 2 ? "no rseq" : "sections FILE");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	fd = open(argv[1], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, 4096) < 0)
		err(1, "%s", argv[1]);
	numbers = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (numbers == MAP_FAILED)
		err(1, "mmap");
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, run, NULL))
			errx(1, "no thread");
	printf("ready %d\n", getpid());
	fflush(stdout);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
