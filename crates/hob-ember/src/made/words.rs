//! Lists to draw from.

pub const NAMES: [&str; 40] = [
    "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Hugo", "Ida", "Jack", "Kate", "Leo", "Maria",
    "Noah", "Olga", "Paul", "Rosa", "Sam", "Tara", "Victor", "Wendy", "Yusuf", "Zoe", "Amir", "Bella",
    "Carlos", "Diana", "Erik", "Fatima", "George", "Helen", "Ivan", "Julia", "Karim", "Lucy", "Martin",
    "Nina", "Oscar", "Priya", "Simon",
];

pub const SURNAMES: [&str; 24] = [
    "Adams", "Baker", "Clark", "Diaz", "Evans", "Fischer", "Green", "Hill", "Ito", "Jones", "King", "Lopez",
    "Moore", "Novak", "Olsen", "Parker", "Rossi", "Smith", "Turner", "Vance", "Walker", "Young", "Silva",
    "Meyer",
];

pub const CITIES: [&str; 36] = [
    "London", "Paris", "Berlin", "Madrid", "Rome", "Vienna", "Oslo", "Dublin", "Lisbon", "Prague", "Athens",
    "Boston", "Chicago", "Denver", "Seattle", "Toronto", "Sydney", "Tokyo", "Cairo", "Lima", "Delhi",
    "Geneva", "Munich", "Milan", "Porto", "Bergen", "Austin", "Dallas", "Houston", "Miami", "Warsaw",
    "Helsinki", "Nairobi", "Osaka", "Bristol", "Leeds",
];

pub const JOBS: [&str; 24] = [
    "teacher",
    "nurse",
    "baker",
    "doctor",
    "farmer",
    "painter",
    "driver",
    "cook",
    "pilot",
    "writer",
    "singer",
    "gardener",
    "carpenter",
    "lawyer",
    "plumber",
    "librarian",
    "chemist",
    "designer",
    "engineer",
    "musician",
    "dentist",
    "tailor",
    "journalist",
    "photographer",
];

pub const COLOURS: [&str; 10] =
    ["red", "blue", "green", "yellow", "black", "white", "brown", "grey", "orange", "purple"];

pub const PETS: [&str; 8] = ["dog", "cat", "rabbit", "parrot", "hamster", "horse", "goat", "turtle"];

pub const THINGS: [&str; 30] = [
    "apple", "bread", "cheese", "milk", "rice", "soap", "paper", "lamp", "chair", "book", "pencil", "basket",
    "candle", "coat", "towel", "spoon", "plate", "bottle", "blanket", "mirror", "hammer", "ladder", "clock",
    "carpet", "kettle", "pillow", "scarf", "bucket", "brush", "map",
];

pub const HOBBIES: [&str; 14] = [
    "chess",
    "swimming",
    "painting",
    "cooking",
    "hiking",
    "reading",
    "dancing",
    "football",
    "tennis",
    "gardening",
    "cycling",
    "fishing",
    "sailing",
    "knitting",
];

pub const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
