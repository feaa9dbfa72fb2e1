package org.example.cache;

import java.util.Map;
import static java.util.Objects.requireNonNull;

/** Keeps values for a while. */
@Deprecated
public final class Cache<K, V> implements Closeable {
    private static final int LIMIT = 10;
    private final Map<K, V> values;

    public Cache(Map<K, V> values) {
        this.values = requireNonNull(values, "values");
    }

    /** The value of a key. */
    @Override
    public V get(K key) throws MissingException {
        return values.get(key); // get it
    }

    enum Mode {
        STRICT,
        LOOSE
    }

    record Entry(String key, int age) {}

    interface Loader<K> {
        Object load(K key);
    }

    @interface Timed {
        int millis() default 1;
    }
}
