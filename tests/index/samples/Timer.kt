package org.example.time

import kotlin.time.Duration
import org.example.Clock as Ticker

/** How long a round takes. */
const val ROUND = 10

@Serializable
class Timer(private val clock: Ticker, name: String) : Runnable {
    val started = clock.now()

    override fun run() {
        println("run $started ${clock.now()}")
    }

    companion object {
        fun of(name: String) = Timer(Ticker(), name)
    }
}

interface Bell {
    fun ring(times: Int): Boolean
}

object Silence : Bell {
    override fun ring(times: Int) = false
}

enum class State { IDLE, BUSY }

typealias Rounds = List<Duration>

fun Timer.restart(): Timer = this
