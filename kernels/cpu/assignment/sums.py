"""What an assignment does to the exact sums of the clusters."""

SUMS_LEFT = 0  # as they are
SUMS_ANEW = 1  # add every row
SUMS_MOVED = 2  # move the rows whose label changes
MOVES = 256  # rows to be moved are collected: a call for each would cost more than the additions
