"""The report: what a run made, in one page that opens from disk. `contents` gathers, `citations` quotes, `page` writes."""
