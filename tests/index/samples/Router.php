<?php

namespace App\Http;

use App\Log\Logger as Log;
use function App\join_paths;

require_once 'helpers.php';

const PREFIX = '/api';

interface Route
{
    public function match(string $path): bool;
}

/** Finds the route of a path. */
#[Service]
final class Router implements Route
{
    const LIMIT = 10;

    private array $routes = [];

    public function __construct(private Log $log)
    {
    }

    public function match(string $path): bool
    {
        return isset($this->routes["route $path"]);
    }
}

trait Loud
{
    public function shout() {}
}

enum Verb: string
{
    case Get = 'GET';
}

function route(string $path): Router
{
    return new Router(new Log());
}
