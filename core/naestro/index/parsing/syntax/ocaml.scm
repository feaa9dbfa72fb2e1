(compilation_unit (value_definition (let_binding pattern: (value_name) @name)) @definition.function)
(structure (value_definition (let_binding pattern: (value_name) @name)) @definition.function)
(module_definition (module_binding (module_name) @name)) @definition.module
(type_definition (type_binding name: (type_constructor) @name)) @definition.type

(comment) @comment
[(string) (character)] @hidden

(open_module module: (_) @import)
