"""What a person reads: figures, tables and the page of the comparison."""
