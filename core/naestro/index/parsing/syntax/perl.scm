(package_statement (package_name) @name) @definition.package
(function_definition name: (identifier) @name) @definition.function

(comments) @comment

(use_no_statement package_name: (package_name) @import)
