(mixin_statement (name) @name) @definition.function
(function_statement (name) @name) @definition.function
(rule_set (selectors) @name) @definition.rule
(stylesheet (declaration (variable_name) @name) @definition.variable)
(keyframes_statement (keyframes_name) @name) @definition.keyframes

(comment) @comment

[(use_statement (string_value) @import) (import_statement (string_value) @import) (forward_statement (string_value) @import)]
