(body (block . (identifier) (string_lit (template_literal) @name) . (block_start)) @definition.table)
(body (block . (identifier) (string_lit (template_literal) @owner) (string_lit (template_literal) @name) . (block_start)) @definition.table)
(config_file (body (attribute . (identifier) @name) @definition.variable))

(comment) @comment
(template_literal) @hidden
