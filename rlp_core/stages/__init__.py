"""One short module per stage: read inputs, call the library, write outputs."""
