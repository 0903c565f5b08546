"""What a person does with registered models: trace one, go back to one, make one again."""
