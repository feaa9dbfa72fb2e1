(class name: [(constant) (scope_resolution)] @name) @definition.class
(module name: [(constant) (scope_resolution)] @name) @definition.module
(method name: (_) @name) @definition.function
(singleton_method name: (_) @name) @definition.function
(alias name: (_) @name) @definition.function
(program (assignment left: (constant) @name) @definition.constant)
(body_statement (assignment left: (constant) @name) @definition.constant)

(comment) @comment
[(string_content) (heredoc_content) (heredoc_beginning) (heredoc_end)] @hidden
(regex) @hidden

(call !receiver method: (identifier) @by arguments: (argument_list . (string (string_content) @import.maybe) .))
