"""What a fact costs as pairs, programs, partitions and workers grow; run with `make bench-growth`."""
