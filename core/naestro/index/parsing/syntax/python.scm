; Definitions: a `definition.*` with the `name` in it.
(function_definition name: (identifier) @name) @definition.function
(class_definition name: (identifier) @name) @definition.class
(module (expression_statement (assignment left: (identifier) @name)) @definition.variable)
(class_definition body: (block (expression_statement (assignment left: (identifier) @name)) @definition.variable))
(module (type_alias_statement left: (type (identifier) @name)) @definition.type)

; What stands above a definition and belongs to it.
(decorator) @attribute
(comment) @comment

; Text without names.
(string_content) @hidden

(import_statement name: (dotted_name) @import)
(import_statement name: (aliased_import name: (dotted_name) @import))
(import_from_statement module_name: (_) @import)
(future_import_statement) @hidden
