"""The steps of every guide, followed."""
