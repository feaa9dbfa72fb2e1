(class_definition name: (identifier) @name) @definition.class
(function_definition function: (identifier) @name) @definition.function
(class_definition body: (closure (declaration name: (identifier) @name) @definition.field))

[(comment) (groovy_doc)] @comment
(string_content) @hidden

(groovy_import import: (_) @import)
