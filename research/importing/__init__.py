"""Other people's recordings into tapes: one module a format, what they share, and the checks of what came out.

A format reads a `Source` and gives tables of `rows.schema()`; `ordering` brings them into one order, `prints` applies
what the conditions of sale say, `checks` looks at what results, and `service.recorded.columnar` writes it down.
"""
