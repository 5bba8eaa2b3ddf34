//! Lists to draw from, by the name of the slot they fill; `2-14` is a range of numbers.
//!
//! Words stand in one string each: a list of several hundred words stays readable, and a slot finds its list by name.

/// The list of slot `name`; a digit at its end (`city2`) only asks for another word of the same list.
pub fn list(name: &str) -> &'static str {
    match name {
        "female" => FEMALE,
        "male" => MALE,
        "surname" => SURNAME,
        "city" => CITY,
        "country" => COUNTRY,
        "job" => JOB,
        "colour" => COLOUR,
        "pet" => {
            "dog, cat, rabbit, parrot, hamster, horse, goat, turtle, pony, canary, puppy, kitten, lizard, duck"
        }
        "animal" => ANIMAL,
        "thing" => THING,
        "gift" => GIFT,
        "fruit" => FRUIT,
        "food" => FOOD,
        "dish" => DISH,
        "drink" => {
            "tea, coffee, milk, water, apple juice, lemonade, cocoa, mint tea, orange juice, hot chocolate"
        }
        "hobby" => HOBBY,
        "place" => PLACE,
        "street" => STREET,
        "shop" => SHOP,
        "subject" => SUBJECT,
        "adjective" => ADJECTIVE,
        "feeling" => {
            "happy, tired, proud, nervous, hungry, excited, calm, cold, thirsty, surprised, worried, cheerful"
        }
        "sky" => "sunny, cloudy, rainy, windy, foggy, snowy, stormy, clear",
        "vehicle" => "train, bus, car, plane, boat, bicycle, ferry, tram, van",
        "reason" => REASON,
        "event" => EVENT,
        "day" => "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday",
        "month" => MONTH,
        "weather" => {
            "It rained, The sun was shining, It was cold, A strong wind blew, It was a warm day, It was foggy"
        }
        "relation" => {
            "brother, sister, mother, father, uncle, aunt, friend, cousin, neighbour, grandmother, teacher"
        }
        "material" => "wood, glass, paper, wool, silver, stone, leather, cotton, iron, clay, bamboo, steel",
        "language" => {
            "English, French, German, Spanish, Italian, Dutch, Polish, Greek, Turkish, Japanese, Swedish"
        }
        _ => numbers(name),
    }
}

/// Slots of numbers, and of what is made from numbers.
fn numbers(name: &str) -> &'static str {
    match name {
        "age" => "18-89",
        "years" => "2-40",
        "days" => "2-21",
        "count" => "2-12",
        "many" => "13-480",
        "price" => "2-95",
        "minutes" => "5-90",
        "hours" => "2-12",
        "room" => "1-60",
        "year" => "1920-2024",
        "degrees" => "1-34",
        "percent" => "5-95",
        "grams" => "100-900",
        "month_day" => "1-28",
        "kilometres" => "3-400",
        _ => panic!("no list for the slot <{name}>"),
    }
}

/// The words of a list.
pub fn words(name: &str) -> Vec<&'static str> {
    list(name).split(',').map(str::trim).collect()
}

const FEMALE: &str = "Anna, Clara, Emma, Grace, Ida, Kate, Maria, Olga, Rosa, Tara, Wendy, Zoe, Bella, Diana, Fatima, Helen, \
    Julia, Lucy, Nina, Priya, Alice, Amina, Beatrice, Carmen, Chloe, Dora, Elena, Eva, Flora, Greta, Hannah, Irene, Jane, \
    Judith, Karla, Laura, Leila, Lena, Lily, Lola, Mabel, Marta, Mei, Mila, Mona, Nadia, Nora, Olivia, Paula, Petra, Rachel, \
    Rita, Ruth, Sara, Selma, Sofia, Stella, Tina, Ursula, Vera, Violet, Yara, Yuki, Ada, Agnes, Brenda, Cora, Edith, Gina, \
    Hilda, Ingrid, Joan, Kira, Linda, Maya, Naomi, Opal, Pia, Rhea, Susan, Thea, Wilma";

const MALE: &str = "Ben, David, Felix, Hugo, Jack, Leo, Noah, Paul, Sam, Victor, Yusuf, Amir, Carlos, Erik, George, Ivan, Karim, \
    Martin, Oscar, Simon, Adam, Albert, Anton, Arthur, Boris, Bruno, Charles, Daniel, Dennis, Edgar, Emil, Ethan, Frank, Fred, \
    Gus, Harry, Henry, Ian, Igor, James, Jonas, Joseph, Kofi, Kurt, Lars, Liam, Louis, Luca, Marco, Mark, Max, Milan, Nico, \
    Omar, Otto, Pedro, Peter, Philip, Ralph, Ravi, Robert, Roman, Rudy, Stefan, Tariq, Theo, Thomas, Tim, Tom, Umar, Walter, \
    Will, Xavier, Zack, Alan, Basil, Chen, Dev, Elias, Goran, Hiro, Jorge, Ken";

const SURNAME: &str = "Adams, Baker, Clark, Diaz, Evans, Fischer, Green, Hill, Ito, Jones, King, Lopez, Moore, Novak, Olsen, \
    Parker, Rossi, Smith, Turner, Vance, Walker, Young, Silva, Meyer, Abbott, Ahmed, Barnes, Becker, Bell, Blake, Brooks, \
    Carter, Chen, Cole, Costa, Dale, Davis, Drake, Ellis, Farmer, Ferrari, Fox, Garcia, Gray, Haas, Hansen, Harris, Hughes, \
    Iqbal, Jensen, Kaya, Keller, Khan, Klein, Kumar, Lane, Larsen, Lee, Lind, Marsh, Martinez, Mason, Miller, Morgan, Nash, \
    Nilsson, Okoye, Palmer, Patel, Perez, Price, Quinn, Reed, Roberts, Sato, Schmidt, Shaw, Stone, Tanaka, Torres, Vogel, Ward, \
    Weber, West, Wood, Wright";

const CITY: &str = "London, Paris, Berlin, Madrid, Rome, Vienna, Oslo, Dublin, Lisbon, Prague, Athens, Boston, Chicago, Denver, \
    Seattle, Toronto, Sydney, Tokyo, Cairo, Lima, Delhi, Geneva, Munich, Milan, Porto, Bergen, Austin, Dallas, Houston, Miami, \
    Warsaw, Helsinki, Nairobi, Osaka, Bristol, Leeds, Amsterdam, Ankara, Antwerp, Bangkok, Barcelona, Basel, Beijing, Belfast, \
    Bern, Bologna, Bombay, Brussels, Budapest, Cardiff, Cologne, Copenhagen, Cork, Dakar, Dresden, Dubai, Edinburgh, Florence, \
    Frankfurt, Genoa, Ghent, Glasgow, Granada, Hamburg, Hanoi, Istanbul, Jakarta, Karachi, Krakow, Kyoto, Leipzig, Liverpool, \
    Lyon, Malaga, Manchester, Manila, Marseille, Melbourne, Montreal, Moscow, Naples, Nice, Oxford, Palermo, Perth, Riga, \
    Rotterdam, Salzburg, Santiago, Seoul, Seville, Sofia, Stockholm, Tallinn, Tampa, Trieste, Tunis, Turin, Utrecht, Valencia, \
    Vancouver, Venice, Verona, York, Zagreb, Zurich";

const COUNTRY: &str = "France, Spain, Italy, Germany, Norway, Sweden, Poland, Greece, Portugal, Ireland, Japan, China, India, \
    Egypt, Kenya, Peru, Chile, Brazil, Canada, Mexico, Turkey, Finland, Denmark, Austria, Hungary, Cuba, Morocco, Thailand, \
    Vietnam, Iceland, Ghana, Nepal";

const JOB: &str = "teacher, nurse, baker, doctor, farmer, painter, driver, cook, pilot, writer, singer, gardener, carpenter, \
    lawyer, plumber, librarian, chemist, designer, engineer, musician, dentist, tailor, journalist, photographer, waiter, \
    butcher, cleaner, clerk, banker, barber, builder, captain, cashier, coach, dancer, editor, electrician, fisherman, florist, \
    guide, hairdresser, judge, mechanic, miner, optician, porter, postman, programmer, sailor, scientist, shepherd, shoemaker, \
    surgeon, translator, vet, watchmaker, actor, architect, astronomer, weaver";

const COLOUR: &str = "red, blue, green, yellow, black, white, brown, grey, orange, purple, pink, golden, silver, dark blue, light green";

const ANIMAL: &str = "fox, bear, rabbit, mouse, owl, wolf, cat, dog, horse, goat, sheep, duck, hen, crow, frog, turtle, otter, \
    badger, deer, squirrel, hedgehog, lion, tiger, elephant, monkey, giraffe, zebra, camel, donkey, swan, eagle, parrot, penguin, \
    seal, whale, dolphin, bee, ant, spider, butterfly, snail, beaver, kangaroo, koala, panda, leopard, crocodile, snake, lizard, \
    pony, pig, cow, robin, sparrow, raven, stork, mole, bat, lynx, moose";

const THING: &str = "apple, basket, bell, blanket, book, bottle, bowl, box, brush, bucket, button, candle, carpet, chair, clock, \
    coat, cup, drum, fork, hammer, hat, jacket, jar, kettle, key, kite, knife, ladder, lamp, map, mirror, mug, needle, notebook, \
    pan, pen, pencil, phone, pillow, plate, pot, ring, rope, ruler, saw, scarf, shirt, shovel, spoon, stamp, stool, table, \
    teapot, ticket, torch, towel, umbrella, vase, wallet, watch, whistle, bag, ball, bench, bicycle, camera, coin, comb, \
    curtain, desk, envelope, flute, glove, guitar, helmet, lantern, lock, magnet, medal, nail, paddle, paintbrush, parcel, \
    puzzle, radio, shoe, sofa, suitcase, tent, violin";

const GIFT: &str = "watch, scarf, book, camera, bicycle, guitar, kite, puzzle, ring, teapot, vase, jacket, violin, lamp, clock, \
    drum, hat, notebook, mirror, tent";

const FRUIT: &str = "apple, pear, plum, cherry, peach, lemon, orange, melon, banana, fig, grape, mango, strawberry, apricot, lime";

const FOOD: &str = "bread, cheese, rice, soup, butter, honey, flour, sugar, salt, pepper, pasta, salad, jam, yoghurt, cream, \
    chocolate, garlic, ham, oil, cabbage, spinach, corn, fish, chicken, tofu";

const DISH: &str = "tomato soup, apple pie, fried rice, potato salad, carrot cake, onion soup, fish stew, lemon cake, bean soup, \
    cheese omelette, mushroom pasta, vegetable curry, banana bread, pumpkin soup, chicken pie, rice pudding, plum tart, \
    lentil stew, pancakes, noodle salad";

const HOBBY: &str = "chess, swimming, painting, cooking, hiking, reading, dancing, football, tennis, gardening, cycling, fishing, \
    sailing, knitting, singing, skiing, running, baking, drawing, climbing, yoga, pottery, rowing, skating, camping, golf, \
    basketball, photography, juggling, bird watching, sewing, table tennis, playing the piano, playing cards, surfing";

const PLACE: &str = "library, park, market, museum, school, station, harbour, castle, hotel, garden, theatre, church, beach, \
    bakery, farm, forest, lake, bridge, hospital, zoo, cinema, airport, post office, town hall, swimming pool, playground, \
    university, stadium, bus stop, restaurant, bookshop, gallery, factory, mill, lighthouse";

const STREET: &str = "Mill Road, Station Street, Oak Lane, Park Avenue, Bridge Street, Church Road, Garden Street, Hill Road, \
    Market Square, Lake Street, River Road, School Lane, King Street, Queen Street, Rose Lane, Maple Street, Harbour Road, \
    Elm Street, Castle Street, North Road, South Street, Green Lane, Forest Road, Tower Street";

const SHOP: &str = "bakery, bookshop, toy shop, flower shop, shoe shop, cheese shop, bicycle shop, tea shop, pet shop, \
    music shop, hat shop, fish shop, paper shop, furniture shop, garden shop";

const SUBJECT: &str =
    "maths, history, music, biology, chemistry, art, geography, physics, French, German, sport, literature";

const ADJECTIVE: &str = "old, small, big, beautiful, quiet, bright, heavy, strange, shiny, broken, empty, clean, soft, warm, round, \
    wooden, tiny, lovely, famous, narrow, huge, simple, strong, wet, thin, dusty, modern";

const REASON: &str = "because of heavy rain, because the roof is leaking, because of a storm, because of a strike, \
    because of a burst pipe, because of repairs, because of a power cut, because of snow, because the lift is broken, \
    because of a holiday, because the teacher is ill, because of a fire alarm";

const EVENT: &str = "concert, book fair, flower show, football match, chess tournament, summer party, market, art class, film night, \
    cooking course, charity run, school play, dance evening, science fair, bicycle race, garden party, open day";

pub(crate) const MONTH: &str =
    "January, February, March, April, May, June, July, August, September, October, November, December";
