"""Records, sources, tokenizer and batches."""
