(create_table (object_reference name: (identifier) @name)) @definition.table
(column_definition name: (identifier) @name) @definition.field
(create_view (object_reference name: (identifier) @name)) @definition.view
(create_materialized_view (object_reference name: (identifier) @name)) @definition.view
(create_index column: (identifier) @name) @definition.index
(create_function (object_reference name: (identifier) @name)) @definition.function
(create_trigger (object_reference name: (identifier) @name)) @definition.trigger
(create_type (object_reference name: (identifier) @name)) @definition.type
(create_sequence (object_reference name: (identifier) @name)) @definition.sequence
(create_schema (identifier) @name) @definition.schema

[(comment) (marginalia)] @comment
(literal) @hidden
