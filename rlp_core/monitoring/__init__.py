"""What watches a run: health checks, dumps and their rerun, progress, roofline."""
