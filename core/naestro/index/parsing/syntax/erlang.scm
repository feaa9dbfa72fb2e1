(module_attribute name: (atom) @name) @definition.variable
(fun_decl clause: (function_clause name: (atom) @name)) @definition.function

(comment) @comment
(string) @hidden
