"""The techniques that find the labels of rows, a file each."""
