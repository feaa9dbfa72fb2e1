(element (start_tag (attribute (attribute_name) @by (quoted_attribute_value (attribute_value) @name.maybe)))) @definition.element
(script_element (start_tag (attribute (attribute_name) @by (quoted_attribute_value (attribute_value) @import.maybe))))

(comment) @comment
(script_element (raw_text) @script)
