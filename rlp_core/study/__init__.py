"""A study: one experiment over seeds and variants, run resumably, with one page of results."""
