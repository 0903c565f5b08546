"""What watches a run: health checks, audit, dumps and their rerun, progress, roofline."""
