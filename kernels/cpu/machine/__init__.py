"""What the machine offers: vectors, registers, bits, memory for the length of a call."""
