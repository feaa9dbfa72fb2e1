(function_definition declarator: (function_declarator declarator: [(field_identifier) (destructor_name) (operator_name)] @name)) @definition.function
(function_definition declarator: (_ (function_declarator declarator: [(field_identifier) (operator_name)] @name))) @definition.function
(function_definition declarator: (function_declarator declarator: (qualified_identifier
  scope: [(namespace_identifier) @owner (template_type name: (type_identifier) @owner)]
  name: [(identifier) (destructor_name) (operator_name)] @name))) @definition.function
(function_definition declarator: (_ (function_declarator declarator: (qualified_identifier
  scope: [(namespace_identifier) @owner (template_type name: (type_identifier) @owner)]
  name: [(identifier) (operator_name)] @name)))) @definition.function
(function_definition declarator: (function_declarator declarator: (qualified_identifier
  scope: (namespace_identifier)
  name: (qualified_identifier
    scope: [(namespace_identifier) @owner (template_type name: (type_identifier) @owner)]
    name: [(identifier) (destructor_name) (operator_name)] @name)))) @definition.function
(function_definition declarator: (function_declarator declarator: (qualified_identifier
  scope: (namespace_identifier)
  name: (qualified_identifier
    scope: (namespace_identifier)
    name: (qualified_identifier
      scope: [(namespace_identifier) @owner (template_type name: (type_identifier) @owner)]
      name: [(identifier) (destructor_name) (operator_name)] @name))))) @definition.function
(field_declaration declarator: (function_declarator declarator: (field_identifier) @name)) @definition.function
(field_declaration declarator: (_ (function_declarator declarator: (field_identifier) @name))) @definition.function
(class_specifier name: (type_identifier) @name body: (_)) @definition.class
(class_specifier name: (template_type name: (type_identifier) @name) body: (_)) @definition.class
(namespace_definition name: (_) @name) @definition.namespace
(alias_declaration name: (type_identifier) @name) @definition.type
(concept_definition name: (identifier) @name) @definition.type
(declaration_list (declaration declarator: [(identifier) @name (init_declarator declarator: (identifier) @name)]) @definition.variable)
(template_parameter_list) @attribute
(raw_string_literal) @hidden
