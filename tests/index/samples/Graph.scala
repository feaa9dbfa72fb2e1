package org.example.graph

import scala.collection.mutable
import org.example.{Edge, Node => Vertex}

/** A graph of nodes. */
class Graph(val name: String) extends Serializable {
  private val edges = mutable.Set.empty[Edge]

  def add(edge: Edge): Unit = {
    edges += edge
  }

  type Path = List[Edge]
}

object Graph {
  def empty: Graph = new Graph(s"empty ${default}")
}

trait Walk {
  def next(from: Vertex): Option[Vertex]
}

case class Step(from: Vertex, to: Vertex)

enum Colour {
  case Red, Green
}
