"""The chunks of a workspace, kept: a LanceDB table with a file of records beside it.

Start at `store`, through which everything is written and asked; `schema` says what is kept of a chunk. Below it `table`
opens the folder, `queries` and `filters` ask it, `indexes` keep it quick, `records` hold what ranking needs; `fresh`,
`arrivals` and `recent` are the rows that no index of the table has yet. `lance` alone loads LanceDB, and `processor`
says whether it can. It knows neither files nor grammars.
"""
