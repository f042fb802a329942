# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Twins: the same with a fault planted, which must be found.

twin_byte() { finds 'says: error 1 first' plant_byte; }

# A page is written, but not tracked; unlike what the victim knows of it.
plant_write() {
	order 'd sparse 16'
	clear
	order 'd sparse 32'
}
twin_write() { finds 'says: error 1 first' plant_write; }

# The parent has not all the pages that it should have: its largest and last
# entry is the end of anon, which does not change.
plant_entry() {
	crit decode -i "1/pagemap-$VICTIM.img" -o json
	python3 - <<-'END'
		import json
		image = json.load(open('json'))
		last = max((e['nr_pages'], e['vaddr'], e) for e in image['entries'][1:])[2]
		image['entries'].remove(last)
		json.dump(image, open('json', 'w'))
	END
	crit encode -i json -o "1/pagemap-$VICTIM.img"
}
twin_entry() { finds 'Missing' plant_entry; }

# The last byte of a pagemap is the count in its last entry's field 5.
plant_count() {
	local file=1/pagemap-$VICTIM.img
	printf '\177' | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") - 1)) conv=notrunc status=none
}
twin_crit() { finds 'python3' plant_count chain_crit; }

twin_truth() { finds 'is not what the process holds' plant_byte chain_truth; }

# A lost round is not noticed: the victim finds its old pages.
twin_cleared() { finds 'says: error' plant_song chain_cleared; }
twin_lost_image() { finds 'says: error' plant_claim chain_lost_image; }
