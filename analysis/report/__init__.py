"""The report of a study: its template, and the results that the template prints (see results.md)."""
