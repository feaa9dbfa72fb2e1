(class_declaration name: (identifier) @name) @definition.class
(struct_declaration name: (identifier) @name) @definition.struct
(interface_declaration name: (identifier) @name) @definition.interface
(enum_declaration name: (identifier) @name) @definition.enum
(record_declaration name: (identifier) @name) @definition.record
(delegate_declaration name: (identifier) @name) @definition.type
(namespace_declaration name: (_) @name) @definition.namespace
(method_declaration name: (identifier) @name) @definition.method
(constructor_declaration name: (identifier) @name) @definition.method
(destructor_declaration name: (identifier) @name) @definition.method
(local_function_statement name: (identifier) @name) @definition.function
(property_declaration name: (identifier) @name) @definition.property
(event_declaration name: (identifier) @name) @definition.field
(event_field_declaration (variable_declaration (variable_declarator name: (identifier) @name) @definition.field))
(field_declaration (variable_declaration (variable_declarator name: (identifier) @name) @definition.field))
(enum_member_declaration name: (identifier) @name) @definition.field

(attribute_list) @attribute
(comment) @comment
[(string_literal_content) (string_content) (verbatim_string_literal) (raw_string_literal) (character_literal)] @hidden
(predefined_type) @hidden

(using_directive [(qualified_name) (identifier)] @import .)
