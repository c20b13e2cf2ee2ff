"""Load on HTTP servers, ours and others: who answers how fast, how many at a time, and whether every score is right."""
