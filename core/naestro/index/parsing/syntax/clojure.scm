(list_lit . (sym_lit) @by . (sym_lit) @name.maybe) @definition.function.maybe

(comment) @comment
(str_lit) @hidden
