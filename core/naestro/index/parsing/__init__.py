"""A file taken apart: the chunks that are searched, and the names that it defines, uses and imports.

Start at `parse`: one function from bytes to a `ParsedFile` (`parsed`), each stage a module beside it: `languages` says
which language it is, `grammar` gives the tree and what the query in `syntax/` captured of it, `definitions` and `names`
read that, `chunk` deals the lines out; `prose` cuts what has no grammar. `blocks` cuts by the look of the lines alone,
for the search before there is an index. Nothing here opens a file of the workspace.
"""
