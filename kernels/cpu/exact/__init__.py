"""What the contract fixes to the bit: distances, sums, and what is read off columns."""
