"""What the models can do: statistics, bias, and the comparison of the arms."""
