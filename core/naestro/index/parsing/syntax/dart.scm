(class_definition name: (identifier) @name) @definition.class
(enum_declaration name: (identifier) @name) @definition.enum
(enum_constant name: (identifier) @name) @definition.field
(mixin_declaration (identifier) @name) @definition.mixin
(extension_declaration name: (identifier) @name) @definition.extension
(function_signature name: (identifier) @name) @definition.function
(getter_signature name: (identifier) @name) @definition.method
(setter_signature name: (identifier) @name) @definition.method
(constructor_signature name: (identifier) @name) @definition.method
(type_alias . (type_identifier) @name) @definition.type
(class_body (declaration (initialized_identifier_list (initialized_identifier . (identifier) @name))) @definition.field)
(program (static_final_declaration_list (static_final_declaration (identifier) @name) @definition.variable))

(annotation) @attribute; A body stands beside what it belongs to.
(function_body) @tail

[(comment) (documentation_comment)] @comment

(uri) @import
