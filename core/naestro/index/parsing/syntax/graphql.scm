(object_type_definition (name) @name) @definition.class
(interface_type_definition (name) @name) @definition.interface
(enum_type_definition (name) @name) @definition.enum
(input_object_type_definition (name) @name) @definition.struct
(scalar_type_definition (name) @name) @definition.type
(union_type_definition (name) @name) @definition.type
(field_definition . (_)? . (name) @name) @definition.field
(enum_value_definition (enum_value) @name) @definition.field
(operation_definition (name) @name) @definition.function
(fragment_definition (fragment_name) @name) @definition.function

(comment) @comment
[(description) (string_value)] @hidden
