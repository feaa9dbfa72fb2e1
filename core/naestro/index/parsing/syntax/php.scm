(class_declaration name: (name) @name) @definition.class
(interface_declaration name: (name) @name) @definition.interface
(trait_declaration name: (name) @name) @definition.trait
(enum_declaration name: (name) @name) @definition.enum
(enum_case name: (name) @name) @definition.field
(function_definition name: (name) @name) @definition.function
(method_declaration name: (name) @name) @definition.method
(property_declaration (property_element name: (variable_name (name) @name))) @definition.field
(property_promotion_parameter name: (variable_name (name) @name)) @definition.field
(const_declaration (const_element . (name) @name)) @definition.constant
(namespace_definition name: (namespace_name) @name body: (_)) @definition.namespace

(attribute_list) @attribute
(comment) @comment
[(string_content) (heredoc_start) (heredoc_end) (nowdoc_string) (text) (php_tag)] @hidden

(namespace_use_clause . [(qualified_name) (name)] @import)
[(require_expression (string) @import) (require_once_expression (string) @import)
 (include_expression (string) @import) (include_once_expression (string) @import)]
