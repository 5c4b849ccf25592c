"""The report: the results of a run in one page that opens from disk.

`contents` gathers facts, `pictures` gathers figures, `citations` lists references, and `page` writes the page.
"""
