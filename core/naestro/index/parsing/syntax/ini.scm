(section (section_name (text) @name)) @definition.table
(setting (setting_name) @name) @definition.key

(comment) @comment
