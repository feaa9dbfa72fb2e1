import Foundation

/// Plays one song after the other.
@MainActor
public final class Player: NSObject {
    var songs: [Song] = []
    let volume: Int

    init(volume: Int) {
        self.volume = volume
    }

    func play(_ song: Song) -> Bool {
        print("play \(song.title)")
        return true
    }
}

struct Song {
    let title: String
}

enum Mode {
    case shuffle
    case once(Int)
}

protocol Playable {
    var length: Double { get }
    func start()
}

extension Player: Playable {
    func start() {}
}

typealias Songs = [Song]

func makePlayer() -> Player {
    return Player(volume: 3)
}
