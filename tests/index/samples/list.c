#include <stdlib.h>
#include "list.h"

#define LIST_MAX 16
#define EACH(item, list) for (item = (list)->head; item; item = item->next)

/* One item. */
typedef struct item {
    int value;
    struct item *next;
} Item;

struct list {
    Item *head;
};

enum order { UP, DOWN };

typedef int (*compare_fn)(const Item *, const Item *);

static int count = 0;

int list_length(const struct list *list);

/* Adds a value in front. */
Item *list_push(struct list *list, int value)
{
    Item *item = malloc(sizeof(Item));
    item->value = value; /* list_pop is not called */
    item->next = list->head;
    return list->head = item;
}

static void
list_clear(struct list *list)
{
    count = list_length(list);
}
