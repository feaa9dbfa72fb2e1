#include <vector>

namespace geo::plane {

// Anything with an area.
class Shape {
public:
    virtual ~Shape() = default;
    virtual double area() const = 0;
    int sides;
};

template <typename T>
struct Square : public Shape {
    explicit Square(T side) : side_(side) {}
    double area() const override { return side_ * side_; }
    bool operator<(const Square &other) const { return side_ < other.side_; }

private:
    T side_;
};

enum class Colour { Red, Green };

using Shapes = std::vector<Shape *>;

}  // namespace geo::plane

double geo::plane::Shape::area() const
{
    return 0.0;
}

template <class T>
T *Pool<T>::take()
{
    return nullptr;
}

int main(int argc, char **argv)
{
    return area("no call");
}
