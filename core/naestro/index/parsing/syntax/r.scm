(binary_operator lhs: (identifier) @name rhs: (function_definition)) @definition.function
(program (binary_operator lhs: (identifier) @name) @definition.variable)

(comment) @comment
(string) @hidden

(call function: (identifier) @by arguments: (arguments . (argument value: (_) @import.maybe)))
