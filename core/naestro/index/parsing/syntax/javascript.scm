(function_declaration name: (identifier) @name) @definition.function
(generator_function_declaration name: (identifier) @name) @definition.function
(class_declaration name: (identifier) @name) @definition.class
(class_body (method_definition name: (_) @name) @definition.method)
(class_body (field_definition property: (_) @name) @definition.field)
(object (method_definition name: (property_identifier) @name) @definition.function)
(object (pair key: (property_identifier) @name value: [(function_expression) (arrow_function)]) @definition.function)
(variable_declarator name: (identifier) @name value: [(function_expression) (arrow_function) (generator_function)]) @definition.function
(variable_declarator name: (identifier) @name value: (class)) @definition.class
(program (lexical_declaration (variable_declarator name: (identifier) @name) @definition.variable))
(program (variable_declaration (variable_declarator name: (identifier) @name) @definition.variable))
(program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name) @definition.variable)))
(assignment_expression
  left: (member_expression property: (property_identifier) @name)
  right: [(function_expression) (arrow_function)]) @definition.function

(comment) @comment
(decorator) @attribute
(string_fragment) @hidden
(regex) @hidden
(jsx_text) @hidden

(import_statement source: (string) @import)
(export_statement source: (string) @import)
(call_expression function: [(identifier) (import)] @by arguments: (arguments . (string) @import.maybe .))
