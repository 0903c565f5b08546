"""What a stage will hold in memory and spend, from a model's configuration: before it is loaded."""
