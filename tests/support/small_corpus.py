"""Three short papers."""

SMALL = {
    "Growing Tomatoes on Balconies": (
        "We compare twelve tomato varieties grown in pots on balconies over three summers. "
        "Cherry tomatoes gave the highest yield, with 4.2 kg for each plant. "
        "Daily watering mattered more than fertiliser."
    ),
    "Sourdough Fermentation at Low Temperature": (
        "Sourdough bread was fermented at four temperatures between 4 and 24 degrees. "
        "Loaves proved for 16 hours in the refrigerator had the best crumb. "
        "We discuss what this means for home bakers and for small bakeries."
    ),
    "Bicycle Lanes and Commuting": (
        "We study how new bicycle lanes changed commuting in nine cities. "
        "Cycling rose by 27% within two years, while car traffic fell by 6%. "
        "The effect was largest where lanes were separated from the road."
    ),
}
